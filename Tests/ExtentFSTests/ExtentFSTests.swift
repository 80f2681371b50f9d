// Tests come with the rooms.
