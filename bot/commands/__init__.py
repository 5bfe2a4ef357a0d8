"""What an operator types besides `lipabot run`: setting up, looking after, keeping the books."""
