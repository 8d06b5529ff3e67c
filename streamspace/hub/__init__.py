"""What the Hub takes and says: card, upload, requirements, errors."""
