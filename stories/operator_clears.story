# An operator may clear the counter and lift the block; the PIN stays.
account A1 mpin 4 set 4821 -> created
verify A1 0000 -> wrong_pin
verify A1 0000 -> wrong_pin
verify A1 0000 -> pin_blocked
clear-tries A1 -> tries_cleared
verify A1 0000 -> wrong_pin
verify A1 4821 -> verified
