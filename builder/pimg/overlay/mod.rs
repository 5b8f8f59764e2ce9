//! Overlays: features as directories of files, templates and settings.
