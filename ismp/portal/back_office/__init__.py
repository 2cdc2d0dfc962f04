"""管理環境: its entrance and the audit trail."""
