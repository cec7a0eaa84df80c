"""What is made from the code for readers: the gallery."""
