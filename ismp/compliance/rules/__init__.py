"""學習地圖: the duties of the law, their arithmetic, and their administration."""
