"""The kit of 管理環境: a resource described as data, its columns, its versions."""
