//! llama.cpp's own operations, for what is left to them.

use std::ffi::{c_int, c_void};

use kernels::{Params, Tensor};

/// Declares the operations: the linker has them under another name, or else each is looked for in the module once.
macro_rules! originals {
    ($(fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        #[cfg(own_kernels = "linked")]
        #[expect(unsafe_code, reason = "the linker's names")]
        unsafe extern "C" {
            $(
                #[link_name = concat!("__real_", stringify!($name))]
                pub(super) fn $name($($argument: $kind),*) $(-> $result)?;
            )*
        }

        $(
            /// # Safety
            /// As the operation's own.
            #[cfg(own_kernels = "loaded")]
            #[expect(unsafe_code, reason = "the module's own function")]
            #[expect(clippy::allow_attributes, reason = "not all of them have many")]
            #[allow(clippy::too_many_arguments, reason = "they are llama.cpp's")]
            pub(super) unsafe fn $name($($argument: $kind),*) $(-> $result)? {
                type Function = unsafe extern "C" fn($($kind),*) $(-> $result)?;
                static FOUND: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
                let at = *FOUND.get_or_init(|| module::address(concat!(stringify!($name), "\0")));
                // SAFETY: what the module has under this name is this function.
                unsafe { std::mem::transmute::<usize, Function>(at)($($argument),*) }
            }
        )*
    };
}

originals! {
    fn ggml_compute_forward_flash_attn_ext(params: *const Params, dst: *mut Tensor);

    fn ggml_gemm_q4_0_8x8_q8_0(
        size: c_int,
        out: *mut f32,
        stride: usize,
        weights: *const c_void,
        rows: *const c_void,
        row_count: c_int,
        weight_count: c_int,
    );

    fn llamafile_sgemm(
        params: *const Params,
        weight_count: i64,
        row_count: i64,
        blocks: i64,
        weights: *const c_void,
        weights_stride: i64,
        rows: *const c_void,
        rows_stride: i64,
        out: *mut c_void,
        out_stride: i64,
        weights_type: c_int,
        rows_type: c_int,
        out_type: c_int,
    ) -> bool;
}

#[cfg(own_kernels = "loaded")]
mod module {
    //! The module for this processor, which the engine has loaded.

    use std::ffi::{CStr, c_int, c_void};
    use std::ptr::null_mut;

    /// What the name of each module for processors has in it.
    const PROCESSORS: &[u8] = b"/libggml-cpu";

    /// Where the module has the function of this name, which ends with a zero byte.
    #[expect(unsafe_code, reason = "the loader's functions")]
    pub(super) fn address(name: &str) -> usize {
        let mut found = null_mut::<c_void>();
        // SAFETY: the loader calls `look` with `found` while this waits; the module stays loaded.
        let function = unsafe {
            libc::dl_iterate_phdr(Some(look), (&raw mut found).cast());
            if found.is_null() { null_mut() } else { libc::dlsym(found, name.as_ptr().cast()) }
        };
        // Nobody but the module calls what asks for this.
        assert!(!function.is_null(), "the module for this processor has no such function");
        function as usize
    }

    /// Ends the search at the first module for processors.
    #[expect(unsafe_code, reason = "as above")]
    unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> c_int {
        // SAFETY: what the loader tells of one that is loaded, and where `address` waits for it.
        unsafe {
            let name = (*info).dlpi_name;
            let is_it = !name.is_null()
                && CStr::from_ptr(name).to_bytes().windows(PROCESSORS.len()).any(|part| part == PROCESSORS);
            if is_it {
                *found.cast() = libc::dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD);
            }
            c_int::from(is_it)
        }
    }
}
