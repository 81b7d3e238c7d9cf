//! The words about GPUs and the memory of models, in both languages side by side.

use gateway::{IdleGpu, Layers, Memory, Why, Worry};

#[derive(Debug)]
pub(crate) struct MachineText {
    pub(crate) title: &'static str,
    pub(crate) load: &'static str,
    pub(crate) memory: &'static str,
    pub(crate) temperature: &'static str,
    pub(crate) power: &'static str,
    pub(crate) errors: &'static str,
    /// Uncorrected errors of memory, and errors that the driver reported.
    pub(crate) counts: fn(Option<u64>, u64) -> String,
    /// The version of NVIDIA's driver.
    pub(crate) driver: fn(&str) -> String,
    pub(crate) layers: fn(Layers) -> String,
    pub(crate) takes: fn(Memory) -> String,
    /// The model, and where its layers are.
    pub(crate) short: fn(&str, Layers) -> String,
    pub(crate) idle: fn(&IdleGpu) -> String,
    /// The GPU's name and number.
    pub(crate) worry: fn(&str, u32, Worry) -> String,
    /// What NVIDIA's library says.
    pub(crate) trouble: fn(&str) -> String,
    pub(crate) stale: &'static str,
}

fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}

pub(super) const EN: MachineText = MachineText {
    title: "Graphics processors",
    load: "Load",
    memory: "Memory",
    temperature: "Temperature",
    power: "Power",
    errors: "Errors",
    counts: |ecc, xids| match ecc {
        Some(ecc) => format!("memory {ecc}, driver {xids}"),
        None => format!("driver {xids}"),
    },
    driver: |version| format!("Driver {version}"),
    layers: |layers| format!("{} of {} layers on a graphics processor", layers.on_gpu, layers.all),
    takes: |memory| {
        let own = format!("{} MB of memory", megabytes(memory.own_bytes));
        match memory.gpu_bytes {
            Some(bytes) => format!("{own}, and {} MB on graphics processors", megabytes(bytes)),
            None => own,
        }
    },
    short: |model, layers| {
        format!(
            "{model} runs slowly: only {} of its {} layers are on a graphics processor, the others on the CPU. Make room in the graphics processor's memory, or choose a smaller model.",
            layers.on_gpu, layers.all
        )
    },
    idle: |gpu| {
        let vendor = gpu.vendor.name();
        match &gpu.why {
            Why::NotBuilt => format!(
                "This box has an {vendor} graphics processor, but this build of genset cannot compute on it, and models run on the CPU. Install the package with the backends, or write device = \"cpu\" under each [[local]] if that is meant."
            ),
            Why::NoNode(node) => format!(
                "This box has an {vendor} graphics processor, but no driver that works: {node} is not there, and models run on the CPU. Install {vendor}'s driver for this kernel and restart."
            ),
            Why::Closed(node) => format!(
                "This box has an {vendor} graphics processor, but no driver that works: genset may not open {node}, and models run on the CPU. Add its user to the groups that may, usually render and video."
            ),
            Why::NotListed => format!(
                "This box has an {vendor} graphics processor, but no driver that works: the engine finds none, and models run on the CPU. Install the driver's libraries, of the version that the kernel's driver has, and restart; `genset doctor` shows what is found."
            ),
        }
    },
    worry: |name, index, worry| {
        let gpu = format!("Graphics processor {index} ({name})");
        match worry {
            Worry::Lost => format!(
                "{gpu} does not answer any more. Restart the machine; if it is lost again, have it replaced."
            ),
            Worry::Hot { is_c, limit_c } => format!(
                "{gpu} has {is_c} °C and slows down from {limit_c} °C on. Look at the fans and at the room."
            ),
            Worry::Slowed => format!(
                "{gpu} slows itself down, for heat or for want of power. Look at the fans and the power supply."
            ),
            Worry::MemoryErrors(errors) => format!(
                "{gpu} has {errors} errors of its memory that could not be corrected: answers may have been wrong. Restart the machine; if more come, have it replaced."
            ),
            Worry::Xid(number) => format!(
                "{gpu} has reported the error Xid {number} within the last day. Look it up in NVIDIA's list of Xids, and at the kernel's log."
            ),
        }
    },
    trouble: |says| {
        format!(
            "NVIDIA's library does not work ({says}). After an update of the driver, restart the machine."
        )
    },
    stale: "NVIDIA's driver has not answered for half a minute: the readings below are old. Look at the kernel's log; a restart of the machine helps as a rule.",
};

pub(super) const KO: MachineText = MachineText {
    title: "그래픽 처리 장치(GPU)",
    load: "사용률",
    memory: "메모리",
    temperature: "온도",
    power: "전력",
    errors: "오류",
    counts: |ecc, xids| match ecc {
        Some(ecc) => format!("메모리 {ecc}, 드라이버 {xids}"),
        None => format!("드라이버 {xids}"),
    },
    driver: |version| format!("드라이버 {version}"),
    layers: |layers| format!("전체 {}개 층 중 {}개가 GPU에 있음", layers.all, layers.on_gpu),
    takes: |memory| {
        let own = format!("메모리 {}MB", megabytes(memory.own_bytes));
        match memory.gpu_bytes {
            Some(bytes) => format!("{own}, GPU 메모리 {}MB", megabytes(bytes)),
            None => own,
        }
    },
    short: |model, layers| {
        format!(
            "{model} 모델이 느리게 작동합니다. 전체 {}개 층 중 {}개만 GPU에 있고 나머지는 CPU에서 계산합니다. GPU 메모리를 확보하거나 더 작은 모델을 선택하십시오.",
            layers.all, layers.on_gpu
        )
    },
    idle: |gpu| {
        let vendor = gpu.vendor.name();
        match &gpu.why {
            Why::NotBuilt => format!(
                "이 장비에 {vendor} GPU가 있지만 현재 genset 빌드가 이를 지원하지 않아 모델이 CPU에서 작동합니다. 백엔드가 포함된 패키지를 설치하거나, 의도한 것이라면 각 [[local]]에 device = \"cpu\"를 적으십시오."
            ),
            Why::NoNode(node) => format!(
                "이 장비에 {vendor} GPU가 있지만 작동하는 드라이버가 없습니다. {node} 파일이 없어 모델이 CPU에서 작동합니다. 이 커널에 맞는 {vendor} 드라이버를 설치하고 다시 시작하십시오."
            ),
            Why::Closed(node) => format!(
                "이 장비에 {vendor} GPU가 있지만 작동하는 드라이버가 없습니다. genset이 {node} 파일을 열 수 없어 모델이 CPU에서 작동합니다. genset 사용자를 해당 그룹(보통 render와 video)에 추가하십시오."
            ),
            Why::NotListed => format!(
                "이 장비에 {vendor} GPU가 있지만 작동하는 드라이버가 없습니다. 엔진이 GPU를 찾지 못해 모델이 CPU에서 작동합니다. 커널 드라이버와 같은 버전의 드라이버 라이브러리를 설치하고 다시 시작하십시오. 감지된 장치는 `genset doctor`로 확인할 수 있습니다."
            ),
        }
    },
    worry: |name, index, worry| {
        let gpu = format!("GPU {index}번({name})");
        match worry {
            Worry::Lost => {
                format!("{gpu}이 더 이상 응답하지 않습니다. 장비를 다시 시작하고, 반복되면 교체하십시오.")
            }
            Worry::Hot { is_c, limit_c } => format!(
                "{gpu}의 온도가 {is_c}°C입니다. {limit_c}°C부터 속도가 느려집니다. 냉각 팬과 실내 온도를 확인하십시오."
            ),
            Worry::Slowed => format!(
                "{gpu}이 발열이나 전력 부족으로 속도를 낮추고 있습니다. 냉각 팬과 전원 공급 장치를 확인하십시오."
            ),
            Worry::MemoryErrors(errors) => format!(
                "{gpu}에서 수정할 수 없는 메모리 오류가 {errors}건 발생해 답변이 잘못되었을 수 있습니다. 장비를 다시 시작하고, 오류가 늘어나면 교체하십시오."
            ),
            Worry::Xid(number) => format!(
                "{gpu}에서 최근 하루 안에 Xid {number} 오류가 보고되었습니다. NVIDIA의 Xid 목록과 커널 로그를 확인하십시오."
            ),
        }
    },
    trouble: |says| {
        format!(
            "NVIDIA 라이브러리가 작동하지 않습니다({says}). 드라이버를 업데이트한 뒤라면 장비를 다시 시작하십시오."
        )
    },
    stale: "NVIDIA 드라이버가 30초 넘게 응답하지 않아 아래 수치는 최신이 아닙니다. 커널 로그를 확인하십시오. 대개 장비를 다시 시작하면 해결됩니다.",
};
