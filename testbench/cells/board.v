// Between the bench and a board, and its PLL: the clock at the pin is the clock of the design, for no PLL is simulated.
// The lock comes some clocks after the board is switched on, which the bench's reset stands for, and is lost when it is
// switched off.

module board_lock(input clock, output locked);
    reg [3:0] count = 0;
    assign locked = &count;
    always @(posedge clock)
        if (dut.rst)
            count <= 0;
        else if (!locked)
            count <= count + 1;
endmodule

module board_SB_PLL40_CORE #(
    parameter FEEDBACK_PATH = "SIMPLE", DIVR = 0, DIVF = 0, DIVQ = 0, FILTER_RANGE = 0
) (
    input REFERENCECLK, RESETB, BYPASS,
    output PLLOUTCORE, PLLOUTGLOBAL, LOCK
);
    assign PLLOUTCORE = REFERENCECLK;
    assign PLLOUTGLOBAL = REFERENCECLK;
    board_lock lock(REFERENCECLK, LOCK);
endmodule

module board_SB_PLL40_PAD #(
    parameter FEEDBACK_PATH = "SIMPLE", DIVR = 0, DIVF = 0, DIVQ = 0, FILTER_RANGE = 0
) (
    input PACKAGEPIN, RESETB, BYPASS,
    output PLLOUTCORE, PLLOUTGLOBAL, LOCK
);
    assign PLLOUTCORE = PACKAGEPIN;
    assign PLLOUTGLOBAL = PACKAGEPIN;
    board_lock lock(PACKAGEPIN, LOCK);
endmodule

module board_EHXPLLL(
    input CLKI, CLKFB, RST, STDBY, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG, PLLWAKESYNC, ENCLKOP,
    output CLKOP, LOCK
);
    parameter CLKI_DIV = 1, CLKFB_DIV = 1, CLKOP_DIV = 1, CLKOP_CPHASE = 0, CLKOP_FPHASE = 0;
    parameter FEEDBK_PATH = "CLKOP", CLKOP_ENABLE = "ENABLED", PLLRST_ENA = "DISABLED", INTFB_WAKE = "DISABLED";
    parameter STDBY_ENABLE = "DISABLED", DPHASE_SOURCE = "DISABLED", OUTDIVIDER_MUXA = "DIVA", OUTDIVIDER_MUXB = "DIVB";
    parameter OUTDIVIDER_MUXC = "DIVC", OUTDIVIDER_MUXD = "DIVD";
    assign CLKOP = CLKI;
    board_lock lock(CLKI, LOCK);
endmodule

module board_rPLL(
    input CLKIN, CLKFB, RESET, RESET_P,
    input [5:0] FBDSEL, IDSEL, ODSEL,
    input [3:0] PSDA, DUTYDA, FDLY,
    output CLKOUT, LOCK
);
    parameter FCLKIN = "27", DEVICE = "", IDIV_SEL = 0, FBDIV_SEL = 0, ODIV_SEL = 0, DYN_IDIV_SEL = "false";
    parameter DYN_FBDIV_SEL = "false", DYN_ODIV_SEL = "false", DYN_DA_EN = "false", PSDA_SEL = "0000";
    parameter DUTYDA_SEL = "1000", CLKOUT_FT_DIR = 1, CLKOUTP_FT_DIR = 1, CLKOUT_DLY_STEP = 0, CLKOUTP_DLY_STEP = 0;
    parameter CLKFB_SEL = "internal", CLKOUT_BYPASS = "false", CLKOUTP_BYPASS = "false", CLKOUTD_BYPASS = "false";
    parameter CLKOUTD_SRC = "CLKOUT", CLKOUTD3_SRC = "CLKOUT", DYN_SDIV_SEL = 2;
    assign CLKOUT = CLKIN;
    board_lock lock(CLKIN, LOCK);
endmodule

// Keeps the bench's reset in the module of the pins.
module board_power(input off);
endmodule

// From the bench to a pin.
module board_wire #(parameter WIDTH = 1) (input [WIDTH-1:0] i, output [WIDTH-1:0] o);
    assign o = i;
endmodule
