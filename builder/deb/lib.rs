//! pimg-deb
