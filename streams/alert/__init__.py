"""What people are told: notices go into an outbox (`box`), a policy says to whom, channels deliver."""
