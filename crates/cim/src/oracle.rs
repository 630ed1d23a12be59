//! What must hold for any octets at all; fuzz targets and the corpus test call these.
