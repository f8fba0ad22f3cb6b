# An OTP is good for five minutes, one use and three tries, and a new one replaces it.
account A1 mpin 4 -> created
verify A1 4821 -> pin_not_set
change A1 4821 7392 -> pin_not_set
set A1 4821 with wrong -> otp_expired
otp A1 -> otp_sent
set A1 4821 with otp -> pin_set
verify A1 4821 -> verified

# Used once.
set A1 7392 with otp -> otp_expired

# Good until the last millisecond of five minutes.
otp A1 -> otp_sent
advance 5m
set A1 7392 with otp -> otp_expired
otp A1 -> otp_sent
advance 299999ms
set A1 7392 with otp -> pin_set

# The third wrong one closes it, also for the right one.
otp A1 -> otp_sent
set A1 5937 with wrong -> wrong_otp
set A1 5937 with wrong -> wrong_otp
set A1 5937 with wrong -> otp_tries_exceeded
set A1 5937 with otp -> otp_tries_exceeded

# A new one has tries of its own, and the old one is a wrong one.
otp A1 -> otp_sent
set A1 5937 with old -> wrong_otp
set A1 5937 with otp -> pin_set
verify A1 5937 -> verified
