// iCE40: models of logic that replace the cells of a netlist before a simulator sees it.

// The same as yosys' model, in one expression: simulators take thousands of them.
module board_SB_LUT4(input I0, I1, I2, I3, output O);
    parameter [15:0] LUT_INIT = 0;
    assign O = LUT_INIT >> {I3, I2, I1, I0};
endmodule

// A logic cell: a table of four inputs, a carry and a flip-flop. Every input is connected here: yosys' model looks for
// those that are not, which Verilator cannot.
module board_ICESTORM_LC(input I0, I1, I2, I3, CIN, CLK, CEN, SR, output LO, O, COUT);
    parameter [15:0] LUT_INIT = 0;
    parameter [0:0] NEG_CLK = 0, CARRY_ENABLE = 0, DFF_ENABLE = 0, SET_NORESET = 0, ASYNC_SR = 0, CIN_CONST = 0,
        CIN_SET = 0;
    wire carry = CIN_CONST ? CIN_SET : CIN;
    board_SB_LUT4 #(.LUT_INIT(LUT_INIT)) lut (.I0(I0), .I1(I1), .I2(I2), .I3(I3), .O(LO));
    generate
        if (CARRY_ENABLE) SB_CARRY adder (.I0(I1), .I1(I2), .CI(carry), .CO(COUT));
        if (!DFF_ENABLE) assign O = LO;
        else if (NEG_CLK) falling_edges_are_not_modelled error();
        else if (SET_NORESET && ASYNC_SR) SB_DFFES register(.C(CLK), .E(CEN), .S(SR), .D(LO), .Q(O));
        else if (SET_NORESET) SB_DFFESS register(.C(CLK), .E(CEN), .S(SR), .D(LO), .Q(O));
        else if (ASYNC_SR) SB_DFFER register(.C(CLK), .E(CEN), .R(SR), .D(LO), .Q(O));
        else SB_DFFESR register(.C(CLK), .E(CEN), .R(SR), .D(LO), .Q(O));
    endgenerate
endmodule
