//! `pimg.lock`: what a build must find unchanged.
