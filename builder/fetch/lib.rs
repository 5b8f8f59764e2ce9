//! pimg-fetch
