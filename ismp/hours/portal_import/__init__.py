"""The portal's file of learning hours, from bytes to stored records."""
