# What the debit card must be before an OTP is sent or looked at.
account A1 mpin 4 debit-expiry 01/2020 -> created
otp A1 -> debit_card_expired
set A1 4821 with wrong -> debit_card_expired
account A2 mpin 4 debit closed -> created
otp A2 -> debit_card_restricted
account A3 mpin 4 debit temporary -> created
otp A3 -> debit_card_restricted
account A4 mpin 4 debit not-active -> created
otp A4 -> debit_card_never_activated
otp A4 other-card -> no_such_debit_card
otp A4 other-owner -> owner_mismatch

# The ATM PIN, where one is sent, is looked at before the OTP.
account A5 mpin 4 atm 7305 -> created
set A5 4821 with wrong atm 0000 -> wrong_atm_pin
set A5 4821 with wrong atm 7305 -> otp_expired
otp A5 -> otp_sent
set A5 4821 with wrong atm 0000 -> wrong_atm_pin
set A5 4821 with wrong atm 7305 -> wrong_otp
set A5 4821 with otp atm 7305 -> pin_set

# One that nobody knows is wrong.
account A6 mpin 4 -> created
otp A6 -> otp_sent
set A6 4821 with otp atm 7305 -> wrong_atm_pin

# Three wrong ATM PINs, and nobody may guess on: neither it nor anything else.
account A7 mpin 4 atm 7305 -> created
otp A7 -> otp_sent
set A7 4821 with otp atm 0001 -> wrong_atm_pin
set A7 4821 with otp atm 0002 -> wrong_atm_pin
set A7 4821 with otp atm 0003 -> wrong_atm_pin
set A7 4821 with otp atm 7305 -> registration_blocked
advance 24h
otp A7 -> otp_sent
set A7 4821 with otp atm 7305 -> pin_set

# A success without the ATM PIN does not clear the guesses at it.
account A8 mpin 4 atm 7305 -> created
otp A8 -> otp_sent
set A8 4821 with otp atm 0001 -> wrong_atm_pin
set A8 4821 with otp atm 0002 -> wrong_atm_pin
set A8 4821 with otp -> pin_set
otp A8 -> otp_sent
set A8 7392 with otp atm 0003 -> wrong_atm_pin
set A8 7392 with otp -> registration_blocked
