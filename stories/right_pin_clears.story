# Only wrong PINs in a row count: a right one, in whatever command, clears the counter.
account A1 mpin 4 set 4821 -> created
verify A1 0000 -> wrong_pin
verify A1 0000 -> wrong_pin
verify A1 4821 -> verified
verify A1 0000 -> wrong_pin
verify A1 0000 -> wrong_pin
change A1 4821 7392 -> changed
change A1 4821 5937 -> wrong_pin
verify A1 0000 -> wrong_pin

# Who knows the PIN but chooses a weak one has proved himself all the same.
change A1 7392 1111 -> pin_refused
verify A1 0000 -> wrong_pin
verify A1 0000 -> wrong_pin

# Time alone clears nothing.
advance 3d
verify A1 0000 -> pin_blocked
