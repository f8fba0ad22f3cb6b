# Verify and change share one counter.
account A1 mpin 4 set 4821 -> created
verify A1 0000 -> wrong_pin
change A1 0001 7392 -> wrong_pin
verify A1 0002 -> pin_blocked
change A1 4821 7392 -> pin_blocked
