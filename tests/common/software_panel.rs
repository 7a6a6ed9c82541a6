//! The bus to a panel that is software: what a driver writes goes to a [`Controller`], byte by byte.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use embedded_hal::{
    delay::DelayNs,
    digital::{ErrorType as PinError, OutputPin},
    spi::{ErrorType, Operation, SpiDevice},
};

/// Software that understands a controller's commands.
pub trait Controller {
    /// The data/command line changed.
    fn data(&mut self, data: bool);
    /// A byte came.
    fn byte(&mut self, byte: u8);
}

pub struct Bus<C>(pub Arc<Mutex<C>>);

impl<C> Clone for Bus<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> ErrorType for Bus<C> {
    type Error = Infallible;
}

impl<C: Controller> SpiDevice for Bus<C> {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        for operation in operations {
            let Operation::Write(bytes) = operation else { panic!("a display is only written to") };
            assert!(bytes.len() <= 4096, "spidev takes 4096 bytes at most");
            let mut controller = self.0.lock().unwrap();
            bytes.iter().for_each(|byte| controller.byte(*byte));
        }
        Ok(())
    }
}

/// The data/command line.
pub struct DataCommand<C>(pub Bus<C>);

impl<C> PinError for DataCommand<C> {
    type Error = Infallible;
}

impl<C: Controller> OutputPin for DataCommand<C> {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.0.lock().unwrap().data(false);
        Ok(())
    }
    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.0.lock().unwrap().data(true);
        Ok(())
    }
}

pub struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}
