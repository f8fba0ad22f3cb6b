# What a PIN may not be.
account A1 mpin 4 born 1990-05-15 set 4821 -> created
change A1 4821 1234 -> pin_refused   # Up.
change A1 4821 9876 -> pin_refused   # Down.
change A1 4821 7777 -> pin_refused   # All equal.
change A1 4821 1505 -> pin_refused   # Day and month.
change A1 4821 0515 -> pin_refused   # Month and day.
change A1 4821 0590 -> pin_refused   # Month and year.
change A1 4821 9005 -> pin_refused   # Year and month.
change A1 4821 1990 -> pin_refused   # Year.
change A1 4821 482 -> pin_refused    # Too short.
change A1 4821 48210 -> pin_refused  # Too long.
change A1 4821 48a1 -> pin_refused   # No digit.
change A1 4821 8901 -> changed       # Nine to zero is no step.

account A2 mpin 6 born 1990-05-15 set 804913 -> created
change A2 804913 150590 -> pin_refused
change A2 804913 199005 -> pin_refused
change A2 804913 901990 -> pin_refused  # Holds the year.
change A2 804913 345678 -> pin_refused
change A2 804913 7391 -> pin_refused
change A2 804913 739105 -> changed

# Without a birthday nothing is known of it.
account A3 mpin 4 set 4821 -> created
change A3 4821 1990 -> changed

# A PIN from before the rules still opens.
account A4 mpin 4 set 1234 -> created
verify A4 1234 -> verified
change A4 1234 4321 -> pin_refused
