# A new PIN is none of the last three; the current one is the first of them.
account A1 mpin 4 set 4821 -> created
change A1 4821 4821 -> pin_refused
change A1 4821 7392 -> changed
change A1 7392 4821 -> pin_refused
advance 24h
change A1 7392 5937 -> changed
change A1 5937 7392 -> pin_refused
change A1 5937 4821 -> pin_refused
advance 24h
change A1 5937 8264 -> changed
change A1 8264 7392 -> pin_refused
change A1 8264 4821 -> changed
verify A1 4821 -> verified
advance 24h

# Setting after card and OTP looks at the same three.
otp A1 -> otp_sent
set A1 5937 with otp -> pin_refused
set A1 8264 with otp -> pin_refused
set A1 4821 with otp -> pin_refused
set A1 7392 with otp -> pin_set

# So does a card's reset.
card C1 pin 6 set 804913 -> created
reset C1 804913 -> pin_refused
reset C1 739105 -> pin_set
reset C1 804913 -> pin_refused
