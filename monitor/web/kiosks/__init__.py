"""What kiosks call on their hub."""
