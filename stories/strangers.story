# A credential that nobody knows is refused, the same way again and again.
verify A9 4821 -> unknown_credential
repeat -> unknown_credential
same-id verify A9 7392 -> duplicate
change A9 4821 7392 -> unknown_credential
inquire A9 -> customer_without_card
account A1 mpin 4 set 4821 -> created
change A1 4821 7392 other-owner -> owner_mismatch
inquire A1 -> customer_without_card
reset A1 7392 -> unknown_credential
card C1 pin 6 set 804913 -> created
change C1 804913 739105 -> owner_mismatch
otp C1 -> no_such_debit_card
