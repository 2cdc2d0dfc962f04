"""成績下載 and 上傳批次: hours that go back to the national portal."""
