# A request that is sent again is answered again, and counts once.
account A1 mpin 4 set 4821 -> created
verify A1 0000 -> wrong_pin
repeat -> wrong_pin
repeat -> wrong_pin
repeat -> wrong_pin
verify A1 0000 -> wrong_pin
repeat -> wrong_pin
change A1 4821 7392 -> changed
repeat -> changed
advance 30d
repeat -> changed
verify A1 7392 -> verified
verify A1 0000 -> wrong_pin
verify A1 0000 -> wrong_pin
verify A1 0000 -> pin_blocked
advance 24h
repeat -> pin_blocked
verify A1 7392 -> verified

# An OTP is sent once, and used once.
otp A1 -> otp_sent
repeat -> otp_sent
set A1 5937 with otp -> pin_set
repeat -> pin_set
