"""What is done with devices, restricted products, decisions and inventories."""
