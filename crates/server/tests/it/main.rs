//! The server as its users meet it: one sandbox process a test, real HTTP, real files.

#[cfg(test)]
mod support;

#[cfg(test)]
mod api;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod axis;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod coverage;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod example;
#[cfg(test)]
mod files;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod guesses;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod hyper;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod marks;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod merchants;
#[cfg(all(test, not(feature = "plants")))]
mod plants;
#[cfg(test)]
mod prepaid;
#[cfg(test)]
mod race;
#[cfg(test)]
mod reasons;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod seed;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod sign;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod timing;
#[cfg(test)]
mod webhooks;
