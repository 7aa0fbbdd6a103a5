"""A module of gvapython that reads all regions."""


def process_frame(frame):
    """Read box and label of each region."""
    for region in frame.regions():
        region.rect()
        region.label()
    return True
