# What was answered is still true after a restart.
account A1 mpin 4 set 4821 -> created
verify A1 0000 -> wrong_pin
verify A1 0000 -> wrong_pin
restart
repeat -> wrong_pin
verify A1 0000 -> pin_blocked
restart
verify A1 4821 -> pin_blocked
otp A1 -> otp_sent
set A1 7392 with wrong -> wrong_otp
restart
set A1 7392 with wrong -> wrong_otp
set A1 7392 with wrong -> otp_tries_exceeded
restart
set A1 7392 with otp -> otp_tries_exceeded
otp A1 -> otp_sent
restart
set A1 4821 with otp -> pin_refused
set A1 7392 with otp -> pin_set
restart
repeat -> pin_set
verify A1 7392 -> verified
change A1 7392 4821 -> pin_refused
