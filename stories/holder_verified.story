# A holder stays verified for ten minutes and one reset.
card C1 pin 6 born 1988-02-29 -> created
reset C1 739105 checked -> holder_not_verified
verify-holder C1 other-contact -> holder_mismatch
verify-holder C1 other-face -> holder_mismatch
reset C1 739105 checked -> holder_not_verified
verify-holder C1 contact -> holder_verified

# A weak PIN does not use it up.
reset C1 123456 checked -> pin_refused
reset C1 739105 checked -> pin_set
reset C1 804913 checked -> holder_not_verified
verify-holder C1 face -> holder_verified
advance 599999ms
reset C1 804913 checked -> pin_set
verify-holder C1 face -> holder_verified
advance 10m
reset C1 580264 checked -> holder_not_verified

# Where the program answers for the holder, it is used up all the same.
verify-holder C1 contact -> holder_verified
reset C1 580264 -> pin_set
reset C1 917350 checked -> holder_not_verified
