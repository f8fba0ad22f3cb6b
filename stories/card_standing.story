# A card must be usable before its PIN is reset; a permanent block is never lifted.
card C1 pin 6 standing not-active -> created
reset C1 739105 -> card_unusable
unblock-card C1 -> card_unusable
card C2 pin 6 standing temporary -> created
reset C2 739105 -> card_unusable
card C3 pin 6 standing permanent -> created
reset C3 739105 -> card_unusable
unblock-card C3 -> card_unusable
block-card C3 temporary -> already_blocked
card C4 pin 6 expiry 01/2020 -> created
reset C4 739105 -> card_unusable
block-card C4 temporary -> card_unusable
card C5 pin 6 standing closed -> created
reset C5 739105 -> card_unusable

card C6 pin 6 -> created
unblock-card C6 -> not_blocked
block-card C6 temporary -> card_blocked
block-card C6 temporary -> already_blocked
reset C6 739105 -> card_unusable
block-card C6 debit -> card_blocked
unblock-card C6 -> card_unblocked
reset C6 739105 -> pin_set
verify C6 739105 -> verified
block-card C6 temporary -> card_blocked
block-card C6 permanent -> card_blocked
block-card C6 permanent -> already_blocked
unblock-card C6 -> card_unusable
