//! The engine against itself: two ends, a virtual clock, and a link that loses, delays and reorders.

mod hostile;
mod link;
mod repair;
mod reports;
mod routing;
mod streams;
