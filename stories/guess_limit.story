# The third wrong PIN in a row blocks, and a block hides even the right PIN.
account A1 mpin 4 set 4821 -> created
verify A1 0000 -> wrong_pin
verify A1 0001 -> wrong_pin
verify A1 0002 -> pin_blocked
verify A1 0003 -> pin_blocked
verify A1 4821 -> pin_blocked
change A1 4821 7392 -> pin_blocked
advance 23h
verify A1 4821 -> pin_blocked

# The guesses of a card are counted apart from everybody else's.
card C1 pin 6 set 804913 -> created
verify C1 000000 -> wrong_pin
verify C1 804913 -> verified
