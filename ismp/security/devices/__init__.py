"""管制設備: inventory, restricted products, decisions, 年度盤點."""
