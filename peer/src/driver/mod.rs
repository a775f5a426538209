mod burst;
mod interfaces;
mod router;
mod socket;
