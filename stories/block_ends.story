# A block ends by itself after 24 hours, and then three more tries are told.
account A1 mpin 4 set 4821 -> created
verify A1 0000 -> wrong_pin
verify A1 0000 -> wrong_pin
verify A1 0000 -> pin_blocked
advance 86399999ms
verify A1 4821 -> pin_blocked
advance 1ms
verify A1 0000 -> wrong_pin
verify A1 0000 -> wrong_pin
verify A1 0000 -> pin_blocked
advance 24h
verify A1 4821 -> verified
verify A1 0000 -> wrong_pin
