// iCE40: models that yosys has none of, and cells as nextpnr packs them, on yosys' models of those before packing.

// A pin without registers, input or output, with its way to a global net; Verilator cannot take yosys' model.
module board_SB_IO(
    inout PACKAGE_PIN,
    input D_OUT_0, D_OUT_1, OUTPUT_ENABLE, CLOCK_ENABLE, INPUT_CLK, OUTPUT_CLK, LATCH_INPUT_VALUE,
    output D_IN_0, D_IN_1, GLOBAL_BUFFER_OUTPUT
);
    parameter [5:0] PIN_TYPE = 0;
    parameter [0:0] PULLUP = 0, NEG_TRIGGER = 0;
    parameter IO_STANDARD = "SB_LVCMOS";
    assign GLOBAL_BUFFER_OUTPUT = PACKAGE_PIN;
    generate
        if (PIN_TYPE == 6'b000001) assign D_IN_0 = PACKAGE_PIN;
        else if (PIN_TYPE[5:2] == 4'b0110) assign PACKAGE_PIN = D_OUT_0;
        // What is not driven reads 0.
        else if (PIN_TYPE[5:2] == 4'b1010) assign PACKAGE_PIN = D_OUT_0 & OUTPUT_ENABLE;
        else this_kind_of_pin_is_not_modelled error();
    endgenerate
endmodule

module board_SB_GB_IO(
    inout PACKAGE_PIN,
    input D_OUT_0, D_OUT_1, OUTPUT_ENABLE, CLOCK_ENABLE, INPUT_CLK, OUTPUT_CLK, LATCH_INPUT_VALUE,
    output D_IN_0, D_IN_1, GLOBAL_BUFFER_OUTPUT
);
    parameter [5:0] PIN_TYPE = 0;
    parameter [0:0] PULLUP = 0, NEG_TRIGGER = 0;
    parameter IO_STANDARD = "SB_LVCMOS";
    board_SB_IO #(.PIN_TYPE(PIN_TYPE)) pin(
        .PACKAGE_PIN(PACKAGE_PIN), .D_OUT_0(D_OUT_0), .D_OUT_1(D_OUT_1), .OUTPUT_ENABLE(OUTPUT_ENABLE),
        .CLOCK_ENABLE(CLOCK_ENABLE), .INPUT_CLK(INPUT_CLK), .OUTPUT_CLK(OUTPUT_CLK),
        .LATCH_INPUT_VALUE(LATCH_INPUT_VALUE), .D_IN_0(D_IN_0), .D_IN_1(D_IN_1),
        .GLOBAL_BUFFER_OUTPUT(GLOBAL_BUFFER_OUTPUT)
    );
endmodule

// Block RAM that shows noise where it reads what is written in the same clock, for the data sheet promises nothing then.
module board_SB_RAM40_4K(
    input RCLK, RCLKE, RE, WCLK, WCLKE, WE,
    input [10:0] RADDR, WADDR,
    input [15:0] MASK, WDATA,
    output [15:0] RDATA
);
    parameter READ_MODE = 0, WRITE_MODE = 0;
    parameter [255:0]
        INIT_0 = 0, INIT_1 = 0, INIT_2 = 0, INIT_3 = 0, INIT_4 = 0, INIT_5 = 0, INIT_6 = 0, INIT_7 = 0, INIT_8 = 0,
        INIT_9 = 0, INIT_A = 0, INIT_B = 0, INIT_C = 0, INIT_D = 0, INIT_E = 0, INIT_F = 0;
    wire [15:0] read;
    wire hits = WCLKE && WE && RADDR[7:0] == WADDR[7:0];
    // The part of a word of 16 bits; where the widths differ, all of the word counts.
    wire differs = READ_MODE == WRITE_MODE && ((RADDR[10:8] ^ WADDR[10:8]) & ((1 << READ_MODE) - 1)) != 0;
    wire [15:0] written = WRITE_MODE == 0 ? ~MASK : 16'hFFFF;
    reg [15:0] noise = 16'hACE1, shown = 0;
    always @(posedge RCLK) begin
        noise <= {noise[14:0], noise[15] ^ noise[13] ^ noise[12] ^ noise[10]};
        if (RCLKE && RE)
            shown <= hits && !differs ? noise & written : 0;
    end
    assign RDATA = read ^ shown;

    SB_RAM40_4K #(
        .READ_MODE(READ_MODE), .WRITE_MODE(WRITE_MODE),
        .INIT_0(INIT_0), .INIT_1(INIT_1), .INIT_2(INIT_2), .INIT_3(INIT_3), .INIT_4(INIT_4), .INIT_5(INIT_5),
        .INIT_6(INIT_6), .INIT_7(INIT_7), .INIT_8(INIT_8), .INIT_9(INIT_9), .INIT_A(INIT_A), .INIT_B(INIT_B),
        .INIT_C(INIT_C), .INIT_D(INIT_D), .INIT_E(INIT_E), .INIT_F(INIT_F)
    ) ram (
        .RCLK(RCLK), .RCLKE(RCLKE), .RE(RE), .RADDR(RADDR), .RDATA(read),
        .WCLK(WCLK), .WCLKE(WCLKE), .WE(WE), .WADDR(WADDR), .MASK(MASK), .WDATA(WDATA)
    );
endmodule

module board_ICESTORM_RAM(
    input RCLK, RCLKE, RE, WCLK, WCLKE, WE, RADDR_10, RADDR_9, RADDR_8, RADDR_7, RADDR_6, RADDR_5, RADDR_4, RADDR_3,
        RADDR_2, RADDR_1, RADDR_0, WADDR_10, WADDR_9, WADDR_8, WADDR_7, WADDR_6, WADDR_5, WADDR_4, WADDR_3, WADDR_2,
        WADDR_1, WADDR_0, MASK_15, MASK_14, MASK_13, MASK_12, MASK_11, MASK_10, MASK_9, MASK_8, MASK_7, MASK_6,
        MASK_5, MASK_4, MASK_3, MASK_2, MASK_1, MASK_0, WDATA_15, WDATA_14, WDATA_13, WDATA_12, WDATA_11, WDATA_10,
        WDATA_9, WDATA_8, WDATA_7, WDATA_6, WDATA_5, WDATA_4, WDATA_3, WDATA_2, WDATA_1, WDATA_0,
    output RDATA_15, RDATA_14, RDATA_13, RDATA_12, RDATA_11, RDATA_10, RDATA_9, RDATA_8, RDATA_7, RDATA_6, RDATA_5,
        RDATA_4, RDATA_3, RDATA_2, RDATA_1, RDATA_0
);
    parameter READ_MODE = 0, WRITE_MODE = 0, NEG_CLK_R = 0, NEG_CLK_W = 0;
    parameter [255:0]
        INIT_0 = 0, INIT_1 = 0, INIT_2 = 0, INIT_3 = 0, INIT_4 = 0, INIT_5 = 0, INIT_6 = 0, INIT_7 = 0, INIT_8 = 0,
        INIT_9 = 0, INIT_A = 0, INIT_B = 0, INIT_C = 0, INIT_D = 0, INIT_E = 0, INIT_F = 0;
    board_SB_RAM40_4K #(
        .READ_MODE(READ_MODE), .WRITE_MODE(WRITE_MODE),
        .INIT_0(INIT_0), .INIT_1(INIT_1), .INIT_2(INIT_2), .INIT_3(INIT_3), .INIT_4(INIT_4), .INIT_5(INIT_5),
        .INIT_6(INIT_6), .INIT_7(INIT_7), .INIT_8(INIT_8), .INIT_9(INIT_9), .INIT_A(INIT_A), .INIT_B(INIT_B),
        .INIT_C(INIT_C), .INIT_D(INIT_D), .INIT_E(INIT_E), .INIT_F(INIT_F)
    ) ram (
        .RCLK(RCLK ^ NEG_CLK_R),
        .RCLKE(RCLKE),
        .RE(RE),
        .WCLK(WCLK ^ NEG_CLK_W),
        .WCLKE(WCLKE),
        .WE(WE),
        .RADDR({RADDR_10, RADDR_9, RADDR_8, RADDR_7, RADDR_6, RADDR_5, RADDR_4, RADDR_3, RADDR_2, RADDR_1, RADDR_0}),
        .WADDR({WADDR_10, WADDR_9, WADDR_8, WADDR_7, WADDR_6, WADDR_5, WADDR_4, WADDR_3, WADDR_2, WADDR_1, WADDR_0}),
        .MASK({
            MASK_15, MASK_14, MASK_13, MASK_12, MASK_11, MASK_10, MASK_9, MASK_8, MASK_7, MASK_6, MASK_5, MASK_4,
            MASK_3, MASK_2, MASK_1, MASK_0
        }),
        .WDATA({
            WDATA_15, WDATA_14, WDATA_13, WDATA_12, WDATA_11, WDATA_10, WDATA_9, WDATA_8, WDATA_7, WDATA_6, WDATA_5,
            WDATA_4, WDATA_3, WDATA_2, WDATA_1, WDATA_0
        }),
        .RDATA({
            RDATA_15, RDATA_14, RDATA_13, RDATA_12, RDATA_11, RDATA_10, RDATA_9, RDATA_8, RDATA_7, RDATA_6, RDATA_5,
            RDATA_4, RDATA_3, RDATA_2, RDATA_1, RDATA_0
        })
    );
endmodule

module ICESTORM_SPRAM(
    input WREN, CHIPSELECT, CLOCK, STANDBY, SLEEP, POWEROFF, ADDRESS_13, ADDRESS_12, ADDRESS_11, ADDRESS_10,
        ADDRESS_9, ADDRESS_8, ADDRESS_7, ADDRESS_6, ADDRESS_5, ADDRESS_4, ADDRESS_3, ADDRESS_2, ADDRESS_1,
        ADDRESS_0, DATAIN_15, DATAIN_14, DATAIN_13, DATAIN_12, DATAIN_11, DATAIN_10, DATAIN_9, DATAIN_8, DATAIN_7,
        DATAIN_6, DATAIN_5, DATAIN_4, DATAIN_3, DATAIN_2, DATAIN_1, DATAIN_0, MASKWREN_3, MASKWREN_2, MASKWREN_1,
        MASKWREN_0,
    output DATAOUT_15, DATAOUT_14, DATAOUT_13, DATAOUT_12, DATAOUT_11, DATAOUT_10, DATAOUT_9, DATAOUT_8, DATAOUT_7,
        DATAOUT_6, DATAOUT_5, DATAOUT_4, DATAOUT_3, DATAOUT_2, DATAOUT_1, DATAOUT_0
);
    SB_SPRAM256KA ram(
        .WREN(WREN),
        .CHIPSELECT(CHIPSELECT),
        .CLOCK(CLOCK),
        .STANDBY(STANDBY),
        .SLEEP(SLEEP),
        .POWEROFF(POWEROFF),
        .ADDRESS({
            ADDRESS_13, ADDRESS_12, ADDRESS_11, ADDRESS_10, ADDRESS_9, ADDRESS_8, ADDRESS_7, ADDRESS_6, ADDRESS_5,
            ADDRESS_4, ADDRESS_3, ADDRESS_2, ADDRESS_1, ADDRESS_0
        }),
        .DATAIN({
            DATAIN_15, DATAIN_14, DATAIN_13, DATAIN_12, DATAIN_11, DATAIN_10, DATAIN_9, DATAIN_8, DATAIN_7,
            DATAIN_6, DATAIN_5, DATAIN_4, DATAIN_3, DATAIN_2, DATAIN_1, DATAIN_0
        }),
        .MASKWREN({MASKWREN_3, MASKWREN_2, MASKWREN_1, MASKWREN_0}),
        .DATAOUT({
            DATAOUT_15, DATAOUT_14, DATAOUT_13, DATAOUT_12, DATAOUT_11, DATAOUT_10, DATAOUT_9, DATAOUT_8, DATAOUT_7,
            DATAOUT_6, DATAOUT_5, DATAOUT_4, DATAOUT_3, DATAOUT_2, DATAOUT_1, DATAOUT_0
        })
    );
endmodule

module ICESTORM_DSP(
    input CLK, CE, AHOLD, BHOLD, CHOLD, DHOLD, IRSTTOP, IRSTBOT, ORSTTOP, ORSTBOT, OLOADTOP, OLOADBOT, ADDSUBTOP,
        ADDSUBBOT, OHOLDTOP, OHOLDBOT, CI, ACCUMCI, SIGNEXTIN, A_15, A_14, A_13, A_12, A_11, A_10, A_9, A_8, A_7,
        A_6, A_5, A_4, A_3, A_2, A_1, A_0, B_15, B_14, B_13, B_12, B_11, B_10, B_9, B_8, B_7, B_6, B_5, B_4, B_3,
        B_2, B_1, B_0, C_15, C_14, C_13, C_12, C_11, C_10, C_9, C_8, C_7, C_6, C_5, C_4, C_3, C_2, C_1, C_0, D_15,
        D_14, D_13, D_12, D_11, D_10, D_9, D_8, D_7, D_6, D_5, D_4, D_3, D_2, D_1, D_0,
    output CO, ACCUMCO, SIGNEXTOUT, O_31, O_30, O_29, O_28, O_27, O_26, O_25, O_24, O_23, O_22, O_21, O_20, O_19,
        O_18, O_17, O_16, O_15, O_14, O_13, O_12, O_11, O_10, O_9, O_8, O_7, O_6, O_5, O_4, O_3, O_2, O_1, O_0
);
    parameter [0:0] NEG_TRIGGER = 0, C_REG = 0, A_REG = 0, B_REG = 0, D_REG = 0, TOP_8x8_MULT_REG = 0,
        BOT_8x8_MULT_REG = 0, PIPELINE_16x16_MULT_REG1 = 0, PIPELINE_16x16_MULT_REG2 = 0, TOPADDSUB_UPPERINPUT = 0,
        BOTADDSUB_UPPERINPUT = 0, MODE_8x8 = 0, A_SIGNED = 0, B_SIGNED = 0;
    parameter [1:0] TOPOUTPUT_SELECT = 0, TOPADDSUB_LOWERINPUT = 0, TOPADDSUB_CARRYSELECT = 0, BOTOUTPUT_SELECT = 0,
        BOTADDSUB_LOWERINPUT = 0, BOTADDSUB_CARRYSELECT = 0;
    SB_MAC16 #(
        .NEG_TRIGGER(NEG_TRIGGER), .C_REG(C_REG), .A_REG(A_REG), .B_REG(B_REG), .D_REG(D_REG),
        .TOP_8x8_MULT_REG(TOP_8x8_MULT_REG), .BOT_8x8_MULT_REG(BOT_8x8_MULT_REG),
        .PIPELINE_16x16_MULT_REG1(PIPELINE_16x16_MULT_REG1), .PIPELINE_16x16_MULT_REG2(PIPELINE_16x16_MULT_REG2),
        .TOPADDSUB_UPPERINPUT(TOPADDSUB_UPPERINPUT), .BOTADDSUB_UPPERINPUT(BOTADDSUB_UPPERINPUT),
        .MODE_8x8(MODE_8x8), .A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .TOPOUTPUT_SELECT(TOPOUTPUT_SELECT),
        .TOPADDSUB_LOWERINPUT(TOPADDSUB_LOWERINPUT), .TOPADDSUB_CARRYSELECT(TOPADDSUB_CARRYSELECT),
        .BOTOUTPUT_SELECT(BOTOUTPUT_SELECT), .BOTADDSUB_LOWERINPUT(BOTADDSUB_LOWERINPUT),
        .BOTADDSUB_CARRYSELECT(BOTADDSUB_CARRYSELECT)
    ) mac (
        .CLK(CLK),
        .CE(CE),
        .AHOLD(AHOLD),
        .BHOLD(BHOLD),
        .CHOLD(CHOLD),
        .DHOLD(DHOLD),
        .IRSTTOP(IRSTTOP),
        .IRSTBOT(IRSTBOT),
        .ORSTTOP(ORSTTOP),
        .ORSTBOT(ORSTBOT),
        .OLOADTOP(OLOADTOP),
        .OLOADBOT(OLOADBOT),
        .ADDSUBTOP(ADDSUBTOP),
        .ADDSUBBOT(ADDSUBBOT),
        .OHOLDTOP(OHOLDTOP),
        .OHOLDBOT(OHOLDBOT),
        .CI(CI),
        .ACCUMCI(ACCUMCI),
        .SIGNEXTIN(SIGNEXTIN),
        .CO(CO),
        .ACCUMCO(ACCUMCO),
        .SIGNEXTOUT(SIGNEXTOUT),
        .A({A_15, A_14, A_13, A_12, A_11, A_10, A_9, A_8, A_7, A_6, A_5, A_4, A_3, A_2, A_1, A_0}),
        .B({B_15, B_14, B_13, B_12, B_11, B_10, B_9, B_8, B_7, B_6, B_5, B_4, B_3, B_2, B_1, B_0}),
        .C({C_15, C_14, C_13, C_12, C_11, C_10, C_9, C_8, C_7, C_6, C_5, C_4, C_3, C_2, C_1, C_0}),
        .D({D_15, D_14, D_13, D_12, D_11, D_10, D_9, D_8, D_7, D_6, D_5, D_4, D_3, D_2, D_1, D_0}),
        .O({
            O_31, O_30, O_29, O_28, O_27, O_26, O_25, O_24, O_23, O_22, O_21, O_20, O_19, O_18, O_17, O_16, O_15,
            O_14, O_13, O_12, O_11, O_10, O_9, O_8, O_7, O_6, O_5, O_4, O_3, O_2, O_1, O_0
        })
    );
endmodule

// The pin is at one of both inputs, the other one is 0.
module ICESTORM_PLL(
    input REFERENCECLK, PACKAGEPIN, RESETB, BYPASS, EXTFEEDBACK, LATCHINPUTVALUE, SDI, SCLK, DYNAMICDELAY_0,
        DYNAMICDELAY_1, DYNAMICDELAY_2, DYNAMICDELAY_3, DYNAMICDELAY_4, DYNAMICDELAY_5, DYNAMICDELAY_6, DYNAMICDELAY_7,
    output PLLOUT_A, PLLOUT_A_GLOBAL, PLLOUT_B, PLLOUT_B_GLOBAL, LOCK, SDO
);
    parameter PLLTYPE = 0, FEEDBACK_PATH = 0, DIVR = 0, DIVF = 0, DIVQ = 0, FILTER_RANGE = 0, TEST_MODE = 0;
    parameter SHIFTREG_DIVMODE = 0, ENABLE_ICEGATE_PORTA = 0, ENABLE_ICEGATE_PORTB = 0, PLLOUT_SELECT_A = 0;
    parameter PLLOUT_SELECT_B = 0, FDA_RELATIVE = 0, FDA_FEEDBACK = 0, DELAY_ADJMODE_REL = 0, DELAY_ADJMODE_FB = 0;
    wire clock = REFERENCECLK | PACKAGEPIN;
    assign PLLOUT_A = clock, PLLOUT_A_GLOBAL = clock;
    board_lock lock(clock, LOCK);
endmodule
