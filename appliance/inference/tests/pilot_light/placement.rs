//! Where the layers are, as the engine tells it.

use inference::Status;

use crate::harness::*;

#[test]
fn a_model_says_where_its_layers_are_and_what_else_there_would_be() {
    for on_cpu in [false, true] {
        let mut spec = spec();
        spec.on_cpu = on_cpu;
        with_model(spec, async |model| {
            let Status::Ready { facts, .. } = model.status().borrow().clone() else { panic!("it is ready") };
            let placement = &facts.placement;
            println!("{placement:?}");
            assert_eq!(placement.layers, facts.layers + 1, "the output counts as one");
            assert_eq!(placement.may_use_gpu, !on_cpu);
            assert!(placement.devices.iter().any(|device| device.backend == "CPU"));
            let has_gpu = placement.devices.iter().any(inference::worker::Device::is_gpu);
            assert_eq!(placement.wants_gpu, has_gpu && !on_cpu);
            assert_eq!(placement.layers_on_gpu, if placement.wants_gpu { placement.layers } else { 0 });
            assert_eq!(placement.gpu_weight_bytes > 0, placement.wants_gpu);
            assert!(!placement.is_short());
        });
    }
}
