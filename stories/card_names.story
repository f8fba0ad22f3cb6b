# Whoever names a card names its last four digits and its customer.
card C1 pin 6 -> created
inquire C1 -> inquired
inquire C1 other-card -> last_four_mismatch
inquire C1 other-owner -> customer_without_card
reset C1 739105 other-card -> last_four_mismatch
reset C1 739105 other-owner -> card_customer_mismatch
block-card C1 temporary other-card -> last_four_mismatch
unblock-card C1 other-owner -> card_customer_mismatch
verify C1 739105 -> pin_not_set
