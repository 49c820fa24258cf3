//! What goes wrong on purpose, as it arrives.
