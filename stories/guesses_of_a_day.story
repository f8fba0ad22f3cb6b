# Right PINs in between clear the row of wrong ones, but not the wrong ones of the day.
account A1 mpin 4 set 4821 -> created
verify A1 0000 -> wrong_pin
verify A1 0001 -> wrong_pin
verify A1 4821 -> verified
advance 1h
verify A1 0002 -> wrong_pin
verify A1 0003 -> wrong_pin
verify A1 4821 -> verified
advance 1h
verify A1 0004 -> wrong_pin
verify A1 0005 -> wrong_pin
verify A1 4821 -> verified
advance 1h
verify A1 0006 -> wrong_pin
verify A1 0007 -> wrong_pin
verify A1 4821 -> verified
verify A1 0008 -> wrong_pin
verify A1 0009 -> pin_blocked
verify A1 4821 -> pin_blocked
advance 23h
verify A1 4821 -> pin_blocked
advance 1h
verify A1 0010 -> wrong_pin
verify A1 4821 -> verified

# Three refusals of a PIN that is one of the last three block as well.
account A2 mpin 4 set 4821 -> created
change A2 4821 7392 -> changed
change A2 7392 4821 -> pin_refused
change A2 7392 7392 -> pin_refused
change A2 7392 4821 -> pin_refused
verify A2 7392 -> pin_blocked
change A2 7392 5937 -> pin_blocked
