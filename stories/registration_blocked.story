# Five failed registrations in 24 hours, of whatever kind, and nothing is compared any more.
account A1 mpin 4 atm 7305 -> created
otp A1 -> otp_sent
set A1 4821 with wrong -> wrong_otp
advance 1h
set A1 4821 with otp atm 0000 -> wrong_atm_pin
otp A1 -> otp_sent
set A1 4821 with wrong -> wrong_otp
set A1 4821 with wrong -> wrong_otp
set A1 4821 with otp atm 0001 -> wrong_atm_pin
set A1 4821 with otp -> registration_blocked
otp A1 -> registration_blocked

# The window runs from the last failure.
advance 86399999ms
otp A1 -> registration_blocked
advance 1ms
otp A1 -> otp_sent
set A1 4821 with otp atm 7305 -> pin_set

# A success clears the count.
otp A1 -> otp_sent
set A1 7392 with wrong -> wrong_otp
set A1 7392 with wrong -> wrong_otp
set A1 7392 with otp -> pin_set
otp A1 -> otp_sent
set A1 5937 with wrong -> wrong_otp
set A1 5937 with wrong -> wrong_otp
set A1 5937 with otp -> pin_set
