# Card and OTP prove the holder: a new PIN lifts the block and clears the counter.
account A1 mpin 4 set 4821 -> created
verify A1 0000 -> wrong_pin
verify A1 0000 -> wrong_pin
verify A1 0000 -> pin_blocked
otp A1 -> otp_sent

# A weak PIN lifts nothing, and the OTP stays open for a better one.
set A1 1111 with otp -> pin_refused
verify A1 4821 -> pin_blocked
set A1 7392 with otp -> pin_set
verify A1 4821 -> wrong_pin
verify A1 7392 -> verified

# The same for a card, on its program's word.
card C1 pin 6 set 804913 -> created
verify C1 000000 -> wrong_pin
verify C1 000000 -> wrong_pin
verify C1 000000 -> pin_blocked
reset C1 111111 -> pin_refused
verify C1 804913 -> pin_blocked
reset C1 739105 -> pin_set
verify C1 739105 -> verified
