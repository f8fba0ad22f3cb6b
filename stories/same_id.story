# An id that was used for something else is refused, and nothing is compared.
account A1 mpin 4 set 4821 -> created
account A2 mpin 4 set 4821 -> created
verify A1 0000 -> wrong_pin
same-id verify A2 0000 -> duplicate
same-id change A1 4821 7392 -> duplicate
same-id clear-tries A1 -> duplicate
repeat -> wrong_pin
verify A1 4821 -> verified
