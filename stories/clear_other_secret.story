# Another secret under a used id is a wrong guess, once; then the id is frozen.
account A3 mpin 4 set 4821 -> created
verify A3 4821 -> verified
same-id verify A3 0001 -> duplicate
same-id verify A3 0002 -> duplicate
same-id verify A3 4821 -> duplicate
verify A3 0003 -> wrong_pin
verify A3 0004 -> pin_blocked

# Nothing is compared while the PIN is blocked, not even with what was sent before.
account A4 mpin 4 set 4821 -> created
verify A4 0000 -> wrong_pin
verify A4 0001 -> wrong_pin
verify A4 0002 -> pin_blocked
repeat -> duplicate
same-id verify A4 4821 -> duplicate
advance 24h
repeat -> pin_blocked
verify A4 4821 -> verified

# It counts whatever the secret was for.
account A5 mpin 4 set 4821 -> created
change A5 4821 7392 -> changed
same-id change A5 4821 5937 -> duplicate
verify A5 0000 -> wrong_pin
verify A5 0001 -> pin_blocked
