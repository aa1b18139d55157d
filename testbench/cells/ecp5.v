// ECP5: models that yosys has none of.

// A pin without registers; what is not driven reads 0.
module board_TRELLIS_IO(inout B, input I, T, output O);
    parameter DIR = "INPUT";
    generate
        if (DIR == "INPUT") assign O = B;
        else if (DIR == "OUTPUT") assign B = I & !T;
        else this_direction_is_not_modelled error();
    endgenerate
endmodule

module board_IB(input I, output O);
    assign O = I;
endmodule

module board_OBZ(input I, T, output O);
    assign O = I & !T;
endmodule

// Block RAM, as 1024 words of 18 bits of which ports see 1, 2, 4, 9, 18 or 36 bits at once. Where a port reads a word
// that the other one writes in the same clock it shows noise: nothing is promised then.
module board_memory #(
    parameter WIDTH_A = 18, WIDTH_B = 18, MODE_A = "NORMAL", MODE_B = "NORMAL",
    parameter [319:0] INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0, INITVAL_04 = 0, INITVAL_05 =
        0, INITVAL_06 = 0, INITVAL_07 = 0, INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0,
        INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0, INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 =
        0, INITVAL_13 = 0, INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0, INITVAL_18 = 0,
        INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0, INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F =
        0, INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0, INITVAL_24 = 0, INITVAL_25 = 0,
        INITVAL_26 = 0, INITVAL_27 = 0, INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0, INITVAL_2C =
        0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0, INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0,
        INITVAL_33 = 0, INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0, INITVAL_38 = 0, INITVAL_39 =
        0, INITVAL_3A = 0, INITVAL_3B = 0, INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0
) (
    input CLKA, CEA, RSTA, CLKB, CEB, RSTB,
    input [13:0] ADA, ADB,
    // Writes: the bits of two words from that of the address on.
    input [3:0] WEA, WEB,
    input [35:0] DIA, DIB,
    output reg [35:0] DOA, DOB
);
    reg [17:0] words [0:1023];
    integer i;
    reg [319:0] slice;
    initial begin
        slice = INITVAL_00; for (i = 0; i < 16; i = i + 1) words[0 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_01; for (i = 0; i < 16; i = i + 1) words[1 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_02; for (i = 0; i < 16; i = i + 1) words[2 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_03; for (i = 0; i < 16; i = i + 1) words[3 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_04; for (i = 0; i < 16; i = i + 1) words[4 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_05; for (i = 0; i < 16; i = i + 1) words[5 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_06; for (i = 0; i < 16; i = i + 1) words[6 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_07; for (i = 0; i < 16; i = i + 1) words[7 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_08; for (i = 0; i < 16; i = i + 1) words[8 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_09; for (i = 0; i < 16; i = i + 1) words[9 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_0A; for (i = 0; i < 16; i = i + 1) words[10 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_0B; for (i = 0; i < 16; i = i + 1) words[11 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_0C; for (i = 0; i < 16; i = i + 1) words[12 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_0D; for (i = 0; i < 16; i = i + 1) words[13 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_0E; for (i = 0; i < 16; i = i + 1) words[14 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_0F; for (i = 0; i < 16; i = i + 1) words[15 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_10; for (i = 0; i < 16; i = i + 1) words[16 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_11; for (i = 0; i < 16; i = i + 1) words[17 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_12; for (i = 0; i < 16; i = i + 1) words[18 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_13; for (i = 0; i < 16; i = i + 1) words[19 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_14; for (i = 0; i < 16; i = i + 1) words[20 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_15; for (i = 0; i < 16; i = i + 1) words[21 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_16; for (i = 0; i < 16; i = i + 1) words[22 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_17; for (i = 0; i < 16; i = i + 1) words[23 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_18; for (i = 0; i < 16; i = i + 1) words[24 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_19; for (i = 0; i < 16; i = i + 1) words[25 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_1A; for (i = 0; i < 16; i = i + 1) words[26 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_1B; for (i = 0; i < 16; i = i + 1) words[27 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_1C; for (i = 0; i < 16; i = i + 1) words[28 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_1D; for (i = 0; i < 16; i = i + 1) words[29 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_1E; for (i = 0; i < 16; i = i + 1) words[30 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_1F; for (i = 0; i < 16; i = i + 1) words[31 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_20; for (i = 0; i < 16; i = i + 1) words[32 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_21; for (i = 0; i < 16; i = i + 1) words[33 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_22; for (i = 0; i < 16; i = i + 1) words[34 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_23; for (i = 0; i < 16; i = i + 1) words[35 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_24; for (i = 0; i < 16; i = i + 1) words[36 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_25; for (i = 0; i < 16; i = i + 1) words[37 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_26; for (i = 0; i < 16; i = i + 1) words[38 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_27; for (i = 0; i < 16; i = i + 1) words[39 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_28; for (i = 0; i < 16; i = i + 1) words[40 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_29; for (i = 0; i < 16; i = i + 1) words[41 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_2A; for (i = 0; i < 16; i = i + 1) words[42 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_2B; for (i = 0; i < 16; i = i + 1) words[43 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_2C; for (i = 0; i < 16; i = i + 1) words[44 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_2D; for (i = 0; i < 16; i = i + 1) words[45 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_2E; for (i = 0; i < 16; i = i + 1) words[46 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_2F; for (i = 0; i < 16; i = i + 1) words[47 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_30; for (i = 0; i < 16; i = i + 1) words[48 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_31; for (i = 0; i < 16; i = i + 1) words[49 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_32; for (i = 0; i < 16; i = i + 1) words[50 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_33; for (i = 0; i < 16; i = i + 1) words[51 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_34; for (i = 0; i < 16; i = i + 1) words[52 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_35; for (i = 0; i < 16; i = i + 1) words[53 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_36; for (i = 0; i < 16; i = i + 1) words[54 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_37; for (i = 0; i < 16; i = i + 1) words[55 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_38; for (i = 0; i < 16; i = i + 1) words[56 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_39; for (i = 0; i < 16; i = i + 1) words[57 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_3A; for (i = 0; i < 16; i = i + 1) words[58 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_3B; for (i = 0; i < 16; i = i + 1) words[59 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_3C; for (i = 0; i < 16; i = i + 1) words[60 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_3D; for (i = 0; i < 16; i = i + 1) words[61 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_3E; for (i = 0; i < 16; i = i + 1) words[62 * 16 + i] = slice[20 * i +: 18];
        slice = INITVAL_3F; for (i = 0; i < 16; i = i + 1) words[63 * 16 + i] = slice[20 * i +: 18];
        DOA = 0;
        DOB = 0;
    end

    // Bits of two words that a write of WIDTH bits at ADDRESS changes, and what it puts there.
    function [35:0] lanes(input integer width, input [13:0] address, input [3:0] enable);
        case (width)
            36: lanes = {{9{enable[3]}}, {9{enable[2]}}, {9{enable[1]}}, {9{enable[0]}}};
            18: lanes = {18'b0, {9{enable[1]}}, {9{enable[0]}}};
            9: lanes = {27'b0, {9{enable[0]}}} << (9 * address[3]);
            4: lanes = {32'b0, {4{enable[0]}}} << (9 * address[3] + 4 * address[2]);
            2: lanes = {34'b0, {2{enable[0]}}} << (9 * address[3] + 2 * address[2:1]);
            default: lanes = {35'b0, enable[0]} << (9 * address[3] + address[2:0]);
        endcase
    endfunction
    function [35:0] placed(input integer width, input [13:0] address, input [35:0] data);
        case (width)
            36, 18: placed = data;
            9: placed = data << (9 * address[3]);
            4: placed = data << (9 * address[3] + 4 * address[2]);
            2: placed = data << (9 * address[3] + 2 * address[2:1]);
            default: placed = data << (9 * address[3] + address[2:0]);
        endcase
    endfunction
    function [35:0] seen(input integer width, input [13:0] address, input [35:0] data);
        case (width)
            36: seen = data;
            18: seen = data & 36'h3FFFF;
            9: seen = data >> (9 * address[3]) & 36'h1FF;
            4: seen = data >> (9 * address[3] + 4 * address[2]) & 36'hF;
            2: seen = data >> (9 * address[3] + 2 * address[2:1]) & 36'h3;
            default: seen = data >> (9 * address[3] + address[2:0]) & 36'h1;
        endcase
    endfunction
    function [9:0] first(input integer width, input [13:0] address);
        first = width == 36 ? {address[13:5], 1'b0} : address[13:4];
    endfunction

    wire [9:0] wordA = first(WIDTH_A, ADA), wordB = first(WIDTH_B, ADB);
    wire [35:0] lanesA = CEA ? lanes(WIDTH_A, ADA, WEA) : 0, lanesB = CEB ? lanes(WIDTH_B, ADB, WEB) : 0;
    wire [35:0] dataA = placed(WIDTH_A, ADA, DIA), dataB = placed(WIDTH_B, ADB, DIB);
    wire [35:0] oldA = {words[wordA | 1], words[wordA]}, oldB = {words[wordB | 1], words[wordB]};
    // The other port's lanes as this one sees them: of words that both take from an even number on.
    wire [71:0] hitsA = {36'b0, lanesB} << (18 * wordB[0]) >> (18 * wordA[0]);
    wire [71:0] hitsB = {36'b0, lanesA} << (18 * wordA[0]) >> (18 * wordB[0]);
    wire near = wordA[9:1] == wordB[9:1];
    reg [35:0] noise = 36'h5A3C96E17;
    always @(posedge CLKA) begin
        noise <= {noise[34:0], noise[35] ^ noise[24]};
        if (lanesA[17:0] != 0) words[wordA] <= oldA[17:0] & ~lanesA[17:0] | dataA[17:0] & lanesA[17:0];
        if (lanesA[35:18] != 0) words[wordA | 1] <= oldA[35:18] & ~lanesA[35:18] | dataA[35:18] & lanesA[35:18];
        if (RSTA) DOA <= 0;
        else if (CEA && (WEA == 0 || MODE_A == "READBEFOREWRITE"))
            DOA <= seen(WIDTH_A, ADA, oldA ^ (near ? hitsA[35:0] & noise : 0));
        else if (CEA && MODE_A == "WRITETHROUGH")
            DOA <= seen(WIDTH_A, ADA, oldA & ~lanesA | dataA & lanesA);
    end
    always @(posedge CLKB) begin
        if (lanesB[17:0] != 0) words[wordB] <= oldB[17:0] & ~lanesB[17:0] | dataB[17:0] & lanesB[17:0];
        if (lanesB[35:18] != 0) words[wordB | 1] <= oldB[35:18] & ~lanesB[35:18] | dataB[35:18] & lanesB[35:18];
        if (RSTB) DOB <= 0;
        else if (CEB && (WEB == 0 || MODE_B == "READBEFOREWRITE"))
            DOB <= seen(WIDTH_B, ADB, oldB ^ (near ? hitsB[35:0] & noise : 0));
        else if (CEB && MODE_B == "WRITETHROUGH")
            DOB <= seen(WIDTH_B, ADB, oldB & ~lanesB | dataB & lanesB);
    end
endmodule

module board_DP16KD(
    input CLKA, CEA, OCEA, RSTA, WEA, CSA2, CSA1, CSA0, CLKB, CEB, OCEB, RSTB, WEB, CSB2, CSB1, CSB0, ADA13, ADA12,
        ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0, ADB13, ADB12, ADB11, ADB10, ADB9,
        ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0, DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11,
        DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0, DIB17, DIB16, DIB15, DIB14, DIB13, DIB12,
        DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
        DOA1, DOA0, DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4,
        DOB3, DOB2, DOB1, DOB0
);
    parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18, REGMODE_A = "NOREG", REGMODE_B = "NOREG", RESETMODE = "SYNC",
        ASYNC_RESET_RELEASE = "SYNC", CSDECODE_A = "0b000", CSDECODE_B = "0b000", CLKAMUX = "CLKA", CLKBMUX = "CLKB",
        WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL", GSR = "AUTO";
    parameter [319:0]
        INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0, INITVAL_04 = 0, INITVAL_05 = 0, INITVAL_06 =
        0, INITVAL_07 = 0, INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0, INITVAL_0C = 0,
        INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0, INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 =
        0, INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0, INITVAL_18 = 0, INITVAL_19 = 0,
        INITVAL_1A = 0, INITVAL_1B = 0, INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0, INITVAL_20 =
        0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0, INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0,
        INITVAL_27 = 0, INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0, INITVAL_2C = 0, INITVAL_2D =
        0, INITVAL_2E = 0, INITVAL_2F = 0, INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0,
        INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0, INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A =
        0, INITVAL_3B = 0, INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0;
    // A port of 36 bits, A to write or B to read, takes the pins of both.
    wire [17:0] dataA = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
    wire [17:0] dataB = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
    wire [35:0] readA, readB;
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} =
        DATA_WIDTH_B == 36 ? readB[17:0] : readA[17:0];
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} =
        DATA_WIDTH_B == 36 ? readB[35:18] : readB[17:0];
    board_memory #(
        .WIDTH_A(DATA_WIDTH_A), .WIDTH_B(DATA_WIDTH_B), .MODE_A(WRITEMODE_A), .MODE_B(WRITEMODE_B),
        .INITVAL_00(INITVAL_00), .INITVAL_01(INITVAL_01), .INITVAL_02(INITVAL_02), .INITVAL_03(INITVAL_03),
        .INITVAL_04(INITVAL_04), .INITVAL_05(INITVAL_05), .INITVAL_06(INITVAL_06), .INITVAL_07(INITVAL_07),
        .INITVAL_08(INITVAL_08), .INITVAL_09(INITVAL_09), .INITVAL_0A(INITVAL_0A), .INITVAL_0B(INITVAL_0B),
        .INITVAL_0C(INITVAL_0C), .INITVAL_0D(INITVAL_0D), .INITVAL_0E(INITVAL_0E), .INITVAL_0F(INITVAL_0F),
        .INITVAL_10(INITVAL_10), .INITVAL_11(INITVAL_11), .INITVAL_12(INITVAL_12), .INITVAL_13(INITVAL_13),
        .INITVAL_14(INITVAL_14), .INITVAL_15(INITVAL_15), .INITVAL_16(INITVAL_16), .INITVAL_17(INITVAL_17),
        .INITVAL_18(INITVAL_18), .INITVAL_19(INITVAL_19), .INITVAL_1A(INITVAL_1A), .INITVAL_1B(INITVAL_1B),
        .INITVAL_1C(INITVAL_1C), .INITVAL_1D(INITVAL_1D), .INITVAL_1E(INITVAL_1E), .INITVAL_1F(INITVAL_1F),
        .INITVAL_20(INITVAL_20), .INITVAL_21(INITVAL_21), .INITVAL_22(INITVAL_22), .INITVAL_23(INITVAL_23),
        .INITVAL_24(INITVAL_24), .INITVAL_25(INITVAL_25), .INITVAL_26(INITVAL_26), .INITVAL_27(INITVAL_27),
        .INITVAL_28(INITVAL_28), .INITVAL_29(INITVAL_29), .INITVAL_2A(INITVAL_2A), .INITVAL_2B(INITVAL_2B),
        .INITVAL_2C(INITVAL_2C), .INITVAL_2D(INITVAL_2D), .INITVAL_2E(INITVAL_2E), .INITVAL_2F(INITVAL_2F),
        .INITVAL_30(INITVAL_30), .INITVAL_31(INITVAL_31), .INITVAL_32(INITVAL_32), .INITVAL_33(INITVAL_33),
        .INITVAL_34(INITVAL_34), .INITVAL_35(INITVAL_35), .INITVAL_36(INITVAL_36), .INITVAL_37(INITVAL_37),
        .INITVAL_38(INITVAL_38), .INITVAL_39(INITVAL_39), .INITVAL_3A(INITVAL_3A), .INITVAL_3B(INITVAL_3B),
        .INITVAL_3C(INITVAL_3C), .INITVAL_3D(INITVAL_3D), .INITVAL_3E(INITVAL_3E), .INITVAL_3F(INITVAL_3F)
    ) memory (
        .CLKA(CLKA), .CEA(CEA), .RSTA(RSTA), .CLKB(CLKB), .CEB(CEB), .RSTB(RSTB),
        // Wide ports have write enables where narrower ones have the lowest bits of the address.
        .WEA(!WEA ? 4'b0 : DATA_WIDTH_A == 36 ? {ADA3, ADA2, ADA1, ADA0} : DATA_WIDTH_A == 18 ? {2'b0, ADA1, ADA0} : 4'b1),
        .WEB(!WEB ? 4'b0 : DATA_WIDTH_B == 36 ? {ADB3, ADB2, ADB1, ADB0} : DATA_WIDTH_B == 18 ? {2'b0, ADB1, ADB0} : 4'b1),
        .ADA({ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0}),
        .ADB({ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0}),
        .DIA({dataB, dataA}), .DIB({18'b0, dataB}),
        .DOA(readA), .DOB(readB)
    );
endmodule

// Without registers.
module board_MULT18X18D(
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB, A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3,
        A2, A1, A0, B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0, C17, C16, C15,
        C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
    output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15,
        P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);
    parameter REG_INPUTA_CLK = "NONE", REG_INPUTB_CLK = "NONE", REG_OUTPUT_CLK = "NONE", REG_PIPELINE_CLK = "NONE";
    wire signed [18:0] a = {SIGNEDA & A17, {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0}}, b = {SIGNEDB & B17, {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0}};
    wire signed [37:0] product = a * b;
    assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = product[35:0];
endmodule
