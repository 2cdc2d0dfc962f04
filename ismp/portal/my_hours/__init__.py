"""我的時數 and the certificate of hours."""
