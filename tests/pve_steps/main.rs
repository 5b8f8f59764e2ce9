//! The steps that make a node of Proxmox VE, run as they are against commands that a test puts in the place of the real
//! ones: every refusal and every wait says what a person is to do, and nothing is destroyed that nobody gave up.
// the steps are written for the tools of a Debian system
#![cfg(target_os = "linux")]

mod backplane;
mod cluster;
mod module;
mod node;
mod pool;
mod proxmox;
mod services;
mod talos;
