"""Actions on devices, restricted products, decisions and inventories."""
